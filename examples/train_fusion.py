"""Train a fusion by the command line of the LabelFusion paper: `python train_fusion.py --help`."""

import sys

try:
    from textclassify.apps.published_commands import run
except ModuleNotFoundError as error:
    if error.name != "textclassify":
        raise
    sys.exit('textclassify is not installed; in the root of the repository: pip install -e ".[torch]"')

if __name__ == "__main__":
    run()
