"""Who tells people; a notifier is one module beside this file and one line in the table."""
