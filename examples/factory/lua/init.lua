config = sjson.decode(file.getcontents("config.json"))
dofile("sensor.lua")
