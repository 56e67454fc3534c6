-- Starts the thermometer three seconds after power-up: time to stop it on the console.
tmr.create():alarm(3000, tmr.ALARM_SINGLE, function() dofile("thermometer.lua") end)
