import json

from textclassify.llm.chat import ChatRequest, Message
from textclassify.llm.http.protocols import encoded, native_parameters, native_path, written_parameters

TURNS = (Message("system", "be short"), Message("user", "hi"), Message("assistant", "?"), Message("user", "really"))


def sent(left_out=(), defaults=None, **options):
    return written_parameters(ChatRequest("m", TURNS, **options), "max_tokens", defaults or {}, left_out)


def test_what_a_request_does_not_say_is_not_sent():
    """Servers refuse null where they expect a number."""
    assert sent(temperature=None, max_tokens=None).keys() == {"model", "messages"}


def test_the_requests_own_parameters_come_before_the_providers():
    """None takes one out again, which is the only way to be rid of it."""
    asked = sent(defaults={"effort": "none", "thinking": "off"}, extra={"effort": "high", "thinking": None})
    assert asked["effort"] == "high"
    assert "thinking" not in asked


def test_refused_parameters_are_left_out():
    """The longest answer keeps its limit under its other name, until that is refused, too."""
    assert sent(["logprobs"], top_logprobs=5).keys().isdisjoint({"logprobs", "top_logprobs"})
    assert sent(["max_tokens"])["max_completion_tokens"] == 16
    assert sent(["max_tokens", "max_completion_tokens"]).keys() == {"model", "messages", "temperature"}


def test_a_body_survives_what_json_cannot_hold():
    """A lone surrogate is sent as a question mark; the text is still worth an answer."""
    asked = json.loads(encoded({"model": "m", "messages": [{"role": "user", "content": "a\ud83d"}]}))
    assert asked["messages"][0]["content"] == "a?"


def test_geminis_own_words():
    """The same question, where log-probabilities are given."""
    asked = native_parameters(
        sent(
            top_logprobs=5,
            seed=3,
            response_schema={"type": "object"},
            extra={"stop": "x", "safetySettings": [], "reasoning_effort": "minimal"},
        )
    )

    assert asked == {
        "systemInstruction": {"parts": [{"text": "be short"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "?"}]},
            {"role": "user", "parts": [{"text": "really"}]},
        ],
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 16,
            "responseLogprobs": True,
            "logprobs": 5,
            "seed": 3,
            "stopSequences": ["x"],
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingLevel": "minimal"},
        },
        "safetySettings": [],
    }


def test_older_gemini_models_get_a_budget_for_thoughts():
    """They answer a level with an error."""
    request = ChatRequest("gemini-2.5-flash", TURNS, extra={"reasoning_effort": "none"})
    config = native_parameters(written_parameters(request, "max_tokens", {}, ()))["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingBudget": 0}


def test_a_models_name_cannot_leave_its_place_in_the_path():
    """It may come from a configuration."""
    assert native_path("models/gemini-3") == "/models/gemini-3:generateContent"
    assert native_path("../../evil?x") == "/models/..%2F..%2Fevil%3Fx:generateContent"
