"""`make loadtest`: load on the whole pipeline, what each process used of it, and the proof of its numbers.

`command` is the way through it: `asked` reads what is wanted, `limits` what each service may use, `sending`
has locust send in the `environment` made for it, while `footprint` tells Prometheus what each service uses;
`measured` fetches that, `verdict` judges it, `summary` and `report` show it.
"""
