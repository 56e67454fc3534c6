local door = 5
gpio.mode(door, gpio.INT, gpio.PULLUP)
local m = mqtt.Client(config.user, 120, config.user, config.password)
m:connect(config.broker, 8883, true, function(client)
  gpio.trig(door, "both", function(level)
    client:publish(config.topic, level == 1 and "open" or "closed", 1, 1)
  end)
end)
