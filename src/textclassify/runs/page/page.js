"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const make = (tag, text = "", className = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  const breakable = (node) => {  // a long label is broken behind its underscores rather than inside a word
    const parts = node.textContent.split(/(?<=_)/);
    node.textContent = parts.shift();
    for (const part of parts) node.append(make("wbr"), part);
    return node;
  };

  // ---- Theme: the system's, until a reader chooses
  const root = document.documentElement;
  const button = find("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();

  // ---- Tables: long ones are opened on request, some can be sorted by any column
  for (const table of document.querySelectorAll("table[data-limit]")) {
    const rows = [...table.tBodies[0].rows];
    const open = make("button", `Show all ${rows.length.toLocaleString("en")}`);
    const fold = () => [...table.tBodies[0].rows].forEach((row, place) => { row.hidden = open.isConnected && place >= Number(table.dataset.limit); });
    open.type = "button";
    open.addEventListener("click", () => { open.remove(); fold(); table.parentElement.focus(); });
    table.parentElement.after(open);
    table.addEventListener("sorted", fold);
    fold();
  }
  const sortKey = (cell) => cell.dataset.value === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.value.replace("inf", "Infinity"));
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const sort = make("button", head.textContent);
      sort.type = "button";
      head.replaceChildren(sort);
      sort.addEventListener("click", () => {
        const body = table.tBodies[0];
        const keys = new Map([...body.rows].map((row) => [row, sortKey(row.cells[column])]));
        const falling = head.ariaSort ? head.ariaSort === "ascending" : typeof keys.values().next().value === "number";
        const rows = [...keys.keys()].sort((one, other) => {
          const [left, right] = [keys.get(one), keys.get(other)];
          const order = left < right ? -1 : left > right ? 1 : 0;
          return falling ? -order : order;
        });
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        body.append(...rows);
        table.dispatchEvent(new Event("sorted"));
      });
    });
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

  // ---- Rows
  const unpacked = async (id) => {
    const bytes = Uint8Array.from(atob(find(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const [KNOWN, CORRECT, DIFFER, SUSPECT, ASKED] = [1, 2, 4, 8, 16];
  const [NO_ANSWER, NO_LABEL] = [-1, -2];
  const form = find("filters");
  const body = find("row-table").tBodies[0];
  const count = find("count");
  const numbers = (n) => n.toLocaleString("en");

  const explore = (data, texts) => {
    const n = texts.length;
    const kept = texts.some((text) => text !== null);
    const lower = texts.map((text) => (text ?? "").toLowerCase());
    const rowNumber = (at) => data.row ? data.row[at] : at;
    const inWords = (answer) => answer < 0 ? "no answer" : data.answers[answer].map((label) => data.labels[label]).join(", ") || "no label";
    let passing = [];
    let page = 0;

    const options = (name, pairs) => form.elements[name].append(...pairs.map(([value, text]) => { const one = make("option", text); one.value = value; return one; }));
    const labels = data.labels.map((label, place) => [place, label]);
    const empty = data.multi_label ? [[NO_LABEL, "(no label)"]] : [];
    options("gold", [...labels, ...empty, [NO_ANSWER, "(unknown)"]]);
    options("answer", [...labels, ...empty, [NO_ANSWER, "(no answer)"]]);
    options("status", data.statuses.map((word, place) => [place, word]));
    form.elements.search.disabled = !kept;

    const holds = (answer, wanted) => {
      if (answer < 0 || wanted === NO_ANSWER) return answer < 0 && wanted === NO_ANSWER;
      return wanted === NO_LABEL ? data.answers[answer].length === 0 : data.answers[answer].includes(wanted);
    };
    const tests = {
      search: (words) => { const wanted = words.toLowerCase(); return (at) => lower[at].includes(wanted); },
      gold: (label) => (at) => holds(data.gold[at], Number(label)),
      answer: (label) => (at) => holds(data.said[0][at], Number(label)),
      status: (place) => (at) => data.status[at] === Number(place),
      outcome: (what) => (at) => ({ right: KNOWN | CORRECT, wrong: KNOWN, unknown: 0 })[what] === (data.flags[at] & (KNOWN | CORRECT)),
      sources: (what) => (at) => ((data.flags[at] & DIFFER) !== 0) === (what === "differ"),
      asked: (what) => (at) => ((data.flags[at] & ASKED) !== 0) === (what === "yes"),
      from: (percent) => (at) => data.sure[0][at] >= 10 * Number(percent),
      to: (percent) => (at) => data.sure[0][at] >= 0 && data.sure[0][at] <= 10 * Number(percent),
      suspect: () => (at) => (data.flags[at] & SUSPECT) !== 0,
    };
    const filter = () => {
      const wanted = [...new FormData(form)].filter(([name, value]) => value.trim() !== "" && name in tests).map(([name, value]) => tests[name](value.trim()));
      passing = [];
      for (let at = 0; at < n; at += 1) if (wanted.every((test) => test(at))) passing.push(at);
      const order = form.elements.order.value;
      const sure = data.sure[0];
      if (order) passing.sort((one, other) => order === "sure" ? sure[other] - sure[one] : (sure[one] < 0) - (sure[other] < 0) || sure[one] - sure[other]);
      page = 0;
      draw();
    };

    const textCell = (at) => {
      const cell = make("td");
      const text = texts[at] ?? "(text not kept)";
      const wanted = form.elements.search.value.trim().toLowerCase();
      let from = 0;
      for (let hit = wanted ? lower[at].indexOf(wanted) : -1; hit >= 0; hit = lower[at].indexOf(wanted, from)) {
        cell.append(text.slice(from, hit), make("mark", text.slice(hit, hit + wanted.length)));
        from = hit + wanted.length;
      }
      cell.append(text.slice(from));
      return cell;
    };
    const sureness = (thousandths) => thousandths < 0 ? "" : `${(thousandths / 10).toFixed(1)}%`;
    const details = (at) => {
      const list = make("dl");
      const add = (name, value) => { const pair = make("div"); pair.append(make("dt", name), make("dd", value)); list.append(pair); };
      data.systems.forEach((name, place) => add(name, [inWords(data.said[place][at]), sureness(data.sure[place][at])].filter(Boolean).join(", ")));
      add("status", data.statuses[data.status[at]]);
      add("language model", data.flags[at] & ASKED ? "has answered" : "not asked");
      if (data.flags[at] & SUSPECT) add("gold may rather be", inWords(data.suggested[at]));
      return list;
    };
    const cell = (name, text, className = "") => { const one = make("td", text, className); one.dataset.name = name; return one; };
    const drawRow = (at) => {
      const row = make("tr");
      const known = data.flags[at] & KNOWN;
      const right = data.flags[at] & CORRECT;
      const answer = cell("answer", "");
      answer.append(breakable(make("span", inWords(data.said[0][at]), known ? (right ? "right" : "wrong") : "")));
      if (known) answer.append(make("span", right ? " (right)" : " (wrong)", "note"));
      const gold = breakable(cell("gold", known ? inWords(data.gold[at]) : "unknown"));
      if (data.flags[at] & SUSPECT) gold.append(" ", make("span", "may be wrong", "mark"));
      const last = cell("more", "");
      const toggle = make("button", "More");
      toggle.type = "button";
      toggle.setAttribute("aria-expanded", "false");
      toggle.setAttribute("aria-label", `More about row ${rowNumber(at)}`);
      toggle.addEventListener("click", () => {
        const opens = toggle.getAttribute("aria-expanded") === "false";
        toggle.setAttribute("aria-expanded", String(opens));
        toggle.textContent = opens ? "Less" : "More";
        if (!opens) { row.nextElementSibling.remove(); return; }
        const below = make("tr", "", "more");
        const wide = make("td");
        below.setAttribute("role", "row");
        wide.setAttribute("role", "cell");
        wide.colSpan = row.cells.length;
        wide.append(details(at));
        below.append(wide);
        row.after(below);
      });
      last.removeAttribute("data-name");
      last.append(toggle);
      row.append(cell("row", numbers(rowNumber(at)), "number"), textCell(at), gold, answer, cell("confidence", sureness(data.sure[0][at]), "number"), last);
      row.setAttribute("role", "row");
      for (const one of row.cells) one.setAttribute("role", "cell");
      return row;
    };
    const draw = () => {
      const size = Number(find("page-size").value);
      const pages = Math.max(1, Math.ceil(passing.length / size));
      page = Math.min(Math.max(page, 0), pages - 1);
      const from = page * size;
      const shown = passing.slice(from, from + size);
      body.replaceChildren(...shown.map(drawRow));
      const range = shown.length ? `; ${numbers(from + 1)} to ${numbers(from + shown.length)} are shown` : "";
      count.textContent = `${numbers(passing.length)} of ${numbers(n)} rows${range}`;
      find("page-number").textContent = `Page ${numbers(page + 1)} of ${numbers(pages)}`;
      for (const one of document.querySelectorAll("#pages [data-page]")) {
        one.disabled = ["first", "previous"].includes(one.dataset.page) ? page === 0 : page === pages - 1;
      }
    };

    let waiting = 0;
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, event.target.name === "search" ? 120 : 0);
    });
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    find("page-size").addEventListener("change", () => { page = 0; draw(); });
    find("pages").addEventListener("click", (event) => {
      const to = event.target.dataset.page;
      if (!to) return;
      page = { first: 0, previous: page - 1, next: page + 1, last: Infinity }[to];
      draw();
    });
    document.addEventListener("click", (event) => {
      const asked = event.target.closest(".show-rows");
      if (!asked) return;
      form.reset();
      for (const [name, value] of Object.entries(JSON.parse(asked.dataset.rows))) {
        const field = form.elements[name];
        if (field.type === "checkbox") field.checked = value; else field.value = String(value);
      }
      setTimeout(filter);
      find("rows").focus({ preventScroll: true });
      find("rows").scrollIntoView();
    });
    for (const part of [form, count, find("row-table"), find("pages")]) part.hidden = false;
    filter();
    performance.mark("rows-shown");
  };

  const failed = (error) => { count.hidden = false; count.textContent = `The rows cannot be unpacked (${error.message}); a browser of 2023 or later can.`; };
  if (typeof DecompressionStream === "undefined") failed(new Error("no DecompressionStream"));
  else Promise.all([unpacked("row-columns"), unpacked("row-texts")]).then(([data, texts]) => explore(data, texts)).catch(failed);
})();
