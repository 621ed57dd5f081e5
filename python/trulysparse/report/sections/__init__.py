"""The sections of a report: each takes what the report is about, and gives its part of the page."""
