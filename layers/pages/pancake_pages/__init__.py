"""Pages for people: the page before a payment, the customers' portal and the seller's console.

Pages read through the use cases that the API has, and hold no rules of their own. They work without JavaScript. Words are in
``words/``, one folder for each language; how a page looks is in ``static/pages.css``.
"""
