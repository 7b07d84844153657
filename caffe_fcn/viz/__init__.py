"""Pictures: of training, of labels."""
