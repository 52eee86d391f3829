"""Label Studio: the embedded server, the project, and documents out to annotators and back."""
