"""What is handed out to train and to fine-tune models, and what they must not use any more."""
