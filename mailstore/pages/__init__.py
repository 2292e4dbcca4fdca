"""Reports for people: pages of HTML that load nothing and run nothing, and files that are whole whenever they are read.

The problem. Folder names, subjects and senders are others' text, and the page is opened by an administrator.

The solution. There is no script at all (a Content-Security-Policy says so to the browser), every text is made harmless
and escaped, and the JSON that a page carries stands in a data block in which no ``<`` is left to end it.
"""
