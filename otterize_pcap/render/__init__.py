"""One module per output format: each turns a service graph into text and never looks at the terminal."""
