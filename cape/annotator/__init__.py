"""The annotator: a local web application that pre-annotates pictures of categories nobody trained for.

    schema, replies        documents and answers, as they go over the wire
    refusing               errors with a status
    tables, migrations     the project's SQLite file
    store, operations      one writer, the log, undo and redo
    decoding, pictures     originals, checked in a child process, and the copies that are shown
    worker, assistance     the model behind a bounded queue; predictions, shots
    review, checks, counters   what to look at next, what looks wrong, how far the work is
    exchange               labels in and out
    safety                 who may ask at all
    desk                   one open project: all of the above together
    api, documents, helping, sharing   the routes
    server                 the process

`api` says what each route does. Nothing here is imported by the rest of cape; it needs the extra "web".
"""
