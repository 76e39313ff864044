"""What the operating system gives: folders, disks, sockets, terminals."""
