"""One module per output format: each turns a service graph into text.

None looks at the terminal.
"""
