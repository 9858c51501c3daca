"""One function over many tasks: in this process, in processes, on a Ray cluster, on many machines.

Touches processes, clock and files: `tasks` (processes here), `ray` (the same on a cluster),
`stores` (a folder or an object store), `claims` (who is at what in a shared folder), `shards`
(files of many images, whole or absent), and the linear algebra's threads: `one_thread`. `pace` is
pure.
"""
