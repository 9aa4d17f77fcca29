"""An encoder and a fusion network trained together on language models' scores."""
