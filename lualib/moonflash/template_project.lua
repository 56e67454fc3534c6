--- The files of a new project: what `moonflash init` writes. Pure.
-- @module moonflash.template_project
local template <const> = require "moonflash.template"

local project = {}

local RECIPE <const> = [==[
-- flash.lua: how a board of this project is flashed.
--
--   moonflash flash.lua -p /dev/ttyUSB0     (with one port plugged in -p is not needed)
--   moonflash flash.lua --dry-run           prints what would be written where
--   moonflash test flash.lua                on a simulated board, no hardware
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = {{about|lua}},

  -- What the boot header says. "auto" takes what the chip proves to work, "detect" the
  -- size that the flash chip has.
  flash = { mode = "auto", size = "detect" },

  -- Options of the command line: p.greeting is --greeting.
  params = {
    greeting = { default = "hello", help = "what the board prints when it starts" },
  },

  parts = {
    -- A build of NodeMCU: the folder with its 0x00000.bin and 0x10000.bin, or one file
    -- such as "firmware/nodemcu-release-12-modules-float.bin".
    mf.firmware "firmware/",

    -- The project's Lua files, as a file system where this firmware looks for it. In
    -- the files named as templates {{open}}greeting}} becomes the parameter's value.
    mf.spiffs("lua/", { templates = { "init.lua" } }),

    -- More parts, as they are needed:
    --   mf.lfs "lfs.img"                          the Lua Flash Store (luac.cross -f)
    --   mf.partition { lfs = "64k", spiffs = "1M" }  NodeMCU 3: sizes in its partition table
    --   mf.init_data { adc = "vdd" }              the ADC measures the supply
    --   mf.bytes(0x3f0000, "some bytes")          anything, anywhere
    --   mf.hole "init-data"                       what must not be touched
  },

  -- Called when the chip is connected, before anything is written.
  before = function(dev)
    if dev:flash().size < 1 * mf.MiB then dev:refuse "this project needs 1 MB of flash" end
  end,

  -- Called when all is written and read back: the firmware starts, NodeMCU's prompt comes.
  -- Simulated boards have no radio, so NodeMCU does not get that far there.
  after = function(dev)
    if not dev.port_name:find "^sim:" then dev:expect("\n> ", 30) end
  end,

  -- What 'moonflash test' checks. The board runs what was flashed.
  test = {
    board  = { size = "4M" },
    expect = function(t)
      t:expect_file("init.lua")
      t:expect(t:file_text("init.lua"):find("hello", 1, true), "the greeting is filled in")
    end,
  },
}
]==]

local INIT <const> = [[
-- init.lua runs when the board starts.
print({{open}}greeting|lua}})
]]

local FIRMWARE <const> = [[
Put a build of NodeMCU here: the two files 0x00000.bin and 0x10000.bin, or one file
nodemcu-*.bin, as https://nodemcu-build.com or a build of your own makes them.
]]

local FLASHING <const> = [[
# Flashing {{name}}

```sh
moonflash flash.lua -p /dev/ttyUSB0   # a board
moonflash flash.lua --help            # the options of this project
moonflash test flash.lua              # a simulated board: no hardware
```

The firmware goes into `firmware/`, the Lua files into `lua/`; `flash.lua` says where
they go on the chip.

In CI (GitLab; any other is alike, the exit code is 0 only when all holds):

```yaml
flash-recipe:
  script:
    - moonflash test flash.lua
```
]]

local IGNORE <const> = { "# simulated boards and backups", "*.flash", "*.mfb" }

--- The files of a project.
-- @tparam string name of the project
-- @treturn {table,...} `path`, `text`, in the order to write them
function project.files(name)
  local values = { name = name, about = ("Flashes %s."):format(name), open = "{{" }
  local function fill(text) return template.fill(text, "template", values) end
  return {
    { path = "flash.lua", text = fill(RECIPE) },
    { path = "lua/init.lua", text = fill(INIT) },
    { path = "firmware/README.md", text = FIRMWARE },
    { path = "FLASHING.md", text = fill(FLASHING) },
  }
end

--- What a `.gitignore` lacks.
-- @tparam string|nil text of the one that there is
-- @treturn string to be added at its end; "" when it has all
function project.ignore(text)
  local have, lines = {}, {}
  for line in (text or ""):gmatch("[^\r\n]+") do have[line] = true end
  for _, line in ipairs(IGNORE) do
    if not have[line] then lines[#lines + 1] = line .. "\n" end
  end
  if #lines == 1 and lines[1]:sub(1, 1) == "#" then return "" end
  local gap = text and text ~= "" and text:sub(-1) ~= "\n" and "\n" or ""
  return #lines > 0 and gap .. table.concat(lines) or ""
end

return project
