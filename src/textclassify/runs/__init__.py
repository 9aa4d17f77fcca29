"""From a configuration to a trained, evaluated and described fusion."""
