print("product ready")
