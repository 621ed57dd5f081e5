"""A report of a network and a table: one page of HTML that needs nothing else.

`subject` says what is looked at, `making` what a caller asks for; each of `sections` gives a part
of the page, and `page` puts them together.
"""
