"""Where X was not heard; `file` is the form of its gaps on disk."""
