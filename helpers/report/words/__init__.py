"""The sentences of the report that no notebook says itself, a language a file; each is a constant or a template.

Templates are set by `helpers.answers.render`. May import nothing.
"""
