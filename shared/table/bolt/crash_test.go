package bolt

func writeUntilKilled(path string) error { return nil }
func writeWithoutSpace(path string) error { return nil }
