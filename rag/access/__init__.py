"""Who may do what: keys, and what a web page may have a browser send."""
