"""Where X was not heard: `heard` knows until when it was, `book` keeps the gaps, `file` is their form.

`filling` fetches what is missing through recent search, `journaled` knows what is there already, `listing`
prints what is still open.
"""
