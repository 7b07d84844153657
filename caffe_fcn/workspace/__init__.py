"""The workspace in a browser: data sets, nets, trainings and tests, on the files of the command line.

    from caffe_fcn.workspace.web import server

    server.serve(Settings(root=Path("work")))

A workspace is a folder. What it has is found in it each time, whoever wrote it (`contents`); only the queue of jobs is
a database. A page shows what a command made, and a button runs a command that it shows (`jobs`).
"""
