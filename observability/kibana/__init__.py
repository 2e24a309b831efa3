"""Dashboards and alert rules for Kibana, made of the description in `observability.panels`."""
