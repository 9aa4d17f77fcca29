"""Every error that textclassify raises on purpose.

    TextClassifyError
    ├── DataError (also a ValueError)      texts, labels or files that cannot be used as they are
    │   └── LabelError                     a label that the schema does not know, or a schema that contradicts itself
    ├── ScoresError (also a ValueError)    scores that break their contract or do not fit together
    ├── ConfigError (also a ValueError)    an option or configuration key that is unknown or out of range
    ├── NotFittedError (also a ValueError and AttributeError, as scikit-learn's)   a classifier asked before `fit`
    ├── MissingDependencyError (also an ImportError)   an extra that is not installed
    ├── ModelError                         a model that cannot be found, loaded or trusted
    │   └── StorageError                   a model folder that is truncated, tampered with, too new or not writable
    ├── BudgetError                        the money that a run may cost is spent; what was answered is kept
    └── ProviderError                      a language model endpoint that cannot be used
        ├── AuthenticationError            no key, or one that the provider refuses
        ├── QuotaError                     the account has no credit left
        └── UnreachableError               nobody answers at the address, or only with failures

A message names the value that is wrong and the remedy. A single text that a model cannot score is not an error but a
status in its `Scores`.
"""


class TextClassifyError(Exception):
    """Base of all errors below: what a caller catches to catch them all."""


class DataError(TextClassifyError, ValueError):
    """Texts, labels or a file that cannot be used as they are."""


class LabelError(DataError):
    """A label that the schema does not know, or a schema that contradicts itself."""


class ScoresError(TextClassifyError, ValueError):
    """Scores that break their contract, or that do not fit together."""


class ConfigError(TextClassifyError, ValueError):
    """An option or a configuration key that is unknown or out of range."""


class NotFittedError(TextClassifyError, ValueError, AttributeError):
    """A classifier was asked for scores before it was fitted."""


class MissingDependencyError(TextClassifyError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class ModelError(TextClassifyError):
    """A model that cannot be found, loaded or trusted."""


class StorageError(ModelError):
    """A saved model that is truncated, tampered with or too new, or a folder that cannot be written."""


class BudgetError(TextClassifyError):
    """The money that a run may cost is spent; every answer so far is kept, so that the run can go on with more."""


class ProviderError(TextClassifyError):
    """A language model endpoint that cannot be used; concerns the run, not one row."""


class AuthenticationError(ProviderError):
    """No key was given, or the provider refuses it."""


class QuotaError(ProviderError):
    """The account behind the key has no credit left."""


class UnreachableError(ProviderError):
    """Nobody answers at the address, or only with failures."""
