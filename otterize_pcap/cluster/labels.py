"""How the objects that a capture makes are told from all others (S26)."""

NAME_LABEL = "app.kubernetes.io/name"
MANAGED_LABEL = "app.kubernetes.io/managed-by"
ID_LABEL = "capture.otterize.com/id"
NODE_ANNOTATION = "capture.otterize.com/node"
CAPTURE_NAME = "otterize-capture"
CAPTURE_SELECTOR = f"{NAME_LABEL}={CAPTURE_NAME},{MANAGED_LABEL}=otterize"
