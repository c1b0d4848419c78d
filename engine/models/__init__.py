"""Loading, generating and training with transformers, PEFT, bitsandbytes and TRL."""
