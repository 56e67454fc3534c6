print("copied from the golden board")
