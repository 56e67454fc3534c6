local config = sjson.decode(file.getcontents("config.json"))
tmr.create():alarm(config.every_s * 1000, tmr.ALARM_AUTO, function()
  print(("supply %d mV"):format(adc.readvdd33()))
end)
