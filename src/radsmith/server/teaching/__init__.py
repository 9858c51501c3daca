"""Teaching in the browser: a learner's and a teacher's routes, answers, the page in `static/`."""
