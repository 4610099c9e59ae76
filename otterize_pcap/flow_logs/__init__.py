"""Flow logs of other tools → connections whose ends the log names itself."""
