"""What the static rules found in files, as text, JSON, SARIF or annotations of a CI job."""
