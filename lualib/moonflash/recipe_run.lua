--- Carrying a recipe out: check all, connect, lay out and check again, write, prove,
-- and tell the hooks.
-- @module moonflash.recipe_run
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local flash_mode <const> = require "moonflash.flash_mode"
local flashing <const> = require "moonflash.flashing"
local identify <const> = require "moonflash.identify"
local image <const> = require "moonflash.image"
local image_header <const> = require "moonflash.image_header"
local labels <const> = require "moonflash.recipe_labels"
local nodemcu <const> = require "moonflash.nodemcu"
local numbers <const> = require "moonflash.numbers"
local parts <const> = require "moonflash.parts"
local place <const> = require "moonflash.recipe_place"
local plan <const> = require "moonflash.plan"
local recipe_dev <const> = require "moonflash.recipe_dev"
local recipe_files <const> = require "moonflash.recipe_files"
local recipe_map <const> = require "moonflash.recipe_map"
local recipe_unit <const> = require "moonflash.recipe_unit"
local regions <const> = require "moonflash.regions"
local report <const> = require "moonflash.report"
local schema <const> = require "moonflash.recipe_schema"
local unfinished <const> = require "moonflash.unfinished"
local where <const> = require "moonflash.recipe_where"
local writer <const> = require "moonflash.writer"

local run = {}

-- ---- what needs no chip ----

local function header_of(d, stage, list)
  local header = { freq = "keep", size = "detect" }
  for _, given in ipairs { d.flash or {}, stage.flash or {} } do
    for name, value in pairs(given) do header[name] = value end
  end
  if not header.mode then
    header.mode = "keep"
    for _, part in ipairs(list) do
      if part.kind == "firmware" then header.mode = "auto" end
    end
  end
  header.mode = flash_mode.parse(header.mode)
  return header
end

local function list_of(stage, job)
  local list = stage.parts
  if type(list) == "function" then
    list = list(job.params)
    schema.parts(list, job.source)
  end
  local loaded = {}
  for i, part in ipairs(list) do loaded[i] = recipe_files.load(part, job.folder) end
  return loaded
end

-- What a part brings, as far as it is known before there is a unit.
local function contents_of(part)
  local words = { part.kind, part.addr or part.region or "" }
  words[#words + 1] = part.firmware and part.firmware.bytes
    or type(part.data) == "string" and part.data or part.image and part.image.bytes or part.block
  for _, file in ipairs(part.files or {}) do
    words[#words + 1] = file.name
    words[#words + 1] = type(file.bytes) == "string" and file.bytes or ""
  end
  return unfinished.key(table.unpack(words))
end

-- What tells an interrupted run of this stage from another.
local function key_of(stage, job, index)
  local words = { "recipe", index, stage.header.mode, stage.header.freq, stage.header.size }
  for _, part in ipairs(stage.list) do words[#words + 1] = contents_of(part) end
  local names = {}
  for name in pairs(job.params) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do words[#words + 1] = name .. "=" .. tostring(job.params[name]) end
  return unfinished.key(table.unpack(words))
end

local function read_stage(stage, job, index, count)
  local list = list_of(stage, job)
  local made = { name = stage.name or count > 1 and ("stage %d"):format(index) or nil, list = list,
    header = header_of(job.d, stage, list), hooks = count > 1 and stage or {} }
  made.key = key_of(made, job, index)
  return made
end

local function announce(job)
  for _, stage in ipairs(job.stages) do
    for _, part in ipairs(stage.list) do
      local f = part.firmware
      for _, w in ipairs(f and f.parsed.warnings or {}) do report.warn("%s: %s", f.name, w.text) end
      if f then
        report.stage("%s: %s", f.name, f.parsed.nodemcu and nodemcu.describe(f.parsed.nodemcu)
          or f.parsed.name)
      end
    end
  end
end

-- Parts given with their address are looked at like those of `moonflash write`.
local function check_plain(list)
  for _, part in ipairs(list) do
    if (part.kind == "file" or part.kind == "bytes") and type(part.data) == "string" then
      where.within(part.at, parts.check, { { addr = part.addr, data = part.data,
        name = part.name } })
    end
  end
end

local function erased_chip(size)
  return identify.flash(function(_, n) return ("\xff"):rep(n) end, size)
end

local function boot_image(list)
  for _, part in ipairs(list) do
    local f = part.firmware
    if f then return f.bytes, f.parsed end
    if part.addr == 0 and type(part.data) == "string" then
      local parsed = image.parse(part.data)
      return part.data, parsed.checksum and parsed or nil
    end
  end
end

-- Flash that the firmware will go by, of a chip of this size.
local function layout_bytes(stage, real)
  local size = stage.header.size
  if size == "detect" then return real end
  local bytes
  if size == "keep" then
    local boot = boot_image(stage.list)
    bytes = boot and #boot >= 4 and image_header.decode(boot:byte(3, 4)).size_bytes or real
    return math.min(bytes, real)
  end
  bytes = image_header.sizes[image_header.size_code(size)].bytes
  if bytes > real then
    errors.raise("range", ("the recipe says %s of flash, this chip has %s"):format(size,
      numbers.size_text(real)), { hint = "nothing was written" })
  end
  return bytes
end

local function facts_of_backup(b)
  local size = b.meta.flash.size
  local blank = ("\xff"):rep(0x1000)
  return identify.flash(function(addr, n)
    local bytes = b:read(addr, n)
    if bytes then return bytes end
    local pieces = {}
    for at = addr // 0x1000 * 0x1000, addr + n - 1, 0x1000 do
      pieces[#pieces + 1] = b:read(at, 0x1000) or blank
    end
    return table.concat(pieces):sub(addr % 0x1000 + 1, addr % 0x1000 + n)
  end, size)
end

-- Lays a stage out on an imagined erased chip: what is wrong there is wrong on any.
local function check_offline(stage)
  check_plain(stage.list)
  local size = layout_bytes(stage, files.MAX_BYTES)
  local r = place.stage(stage.list, { offline = true, flash_bytes = size,
    facts = erased_chip(size), values = {}, mode = "keep", freq = stage.header.freq,
    identify = facts_of_backup })
  if #r.parts > 0 then
    plan.write { parts = r.parts, keep = r.keep, flash_bytes = size,
      allow_partial = r.allow_partial }
  end
end

local function check_templates(job)
  local known = recipe_unit.names(job.d, job.params, job.units)
  if known and job.opt.serial then known.serial = true end
  for _, stage in ipairs(job.stages) do
    for _, part in ipairs(stage.list) do
      if part.kind == "label" and job.folder.may_write and not job.opt.dry_run then
        where.within(part.at, job.folder.may_write, job.folder, part.path)
      end
      if known then where.within(part.at, recipe_files.check_templates, part, known) end
    end
  end
end

local function check_ledger(job)
  local need = recipe_unit.needs_ledger(job.d, job.opt)
  if not need or job.ledger or job.opt.ledger or job.opt.dry_run then return end
  local field = job.d.serial and "serial" or "units"
  where.raise(where.field(job.source.text, job.source.file, { field }), "usage",
    ("%s come from the ledger"):format(need), "--ledger FILE names it")
end

--- Reads and checks all that needs no chip.
-- @tparam table resolved from `recipe:resolve`
-- @tparam table params values by name
-- @tparam table opt options
-- @tparam table given `folder` (permissions), `ledger` (an open one, else `opt.ledger`
--   is opened)
-- @treturn table job for @{run.execute}
-- @raise `usage`, `file`, `image`, `plan`, `overlap`, ..., pointing at lines
function run.prepare(resolved, params, opt, given)
  local d = resolved.description
  local job = { d = d, params = params, opt = opt, folder = given.folder, ledger = given.ledger,
    source = resolved.source, variant = resolved.variant, stages = {} }
  check_ledger(job)
  local stages = d.stages or { d }
  for i, stage in ipairs(stages) do job.stages[i] = read_stage(stage, job, i, #stages) end
  announce(job)
  job.units = recipe_unit.read(d, job.folder, job.source, opt.units)
  check_templates(job)
  for _, stage in ipairs(job.stages) do check_offline(stage) end
  report.event("step", { step = "checked", stages = #job.stages, variant = job.variant })
  return job
end

-- ---- on the chip ----

local function check_chip(job, dev)
  if job.d.chip == "esp8285" and not dev.chip.chip:match("^ESP8285") then
    errors.raise("wrong_chip", ("the recipe is for an ESP8285, this is an %s"):format(
      dev.chip.chip))
  end
end

local function call_hooks(job, stage, name, ...)
  for _, owner in ipairs { job.d, stage and stage.hooks or nil } do
    local f = owner.steps and owner.steps[name]
    if f then f(...) end
  end
end

local function step(job, stage, name, fields)
  fields = fields or {}
  fields.step, fields.stage = name, stage and stage.name or nil
  if job.unit then fields.mac, fields.serial = job.unit.mac, job.unit.serial end
  report.event("step", fields)
end

local function choose_mode(dev, stage)
  local _, parsed = boot_image(stage.list)
  if not parsed then return { mode = "keep" } end
  if stage.list[1] and stage.header.mode == "keep" then return { mode = "keep" } end
  return flashing.choose_mode(dev, { parsed = parsed }, { mode = stage.header.mode })
end

local function context(job, dev, stage)
  local flash = dev:flash()
  local ctx = { flash_bytes = layout_bytes(stage, flashing.usable(dev)), flash = flash,
    chip = dev.chip, crystal_mhz = dev.chip.crystal.mhz, freq = stage.header.freq,
    values = job.values, identify = facts_of_backup }
  ctx.choice = choose_mode(dev, stage)
  ctx.mode = ctx.choice.mode
  function ctx.read(addr, n) return dev:read(addr, n) end
  if place.needs_facts(stage.list) then ctx.facts = flashing.identify(dev) end
  for _, part in ipairs(stage.list) do
    if part.kind == "backup" then ctx.found = regions.identify(ctx.read, flash.size) end
  end
  function ctx.call(part, f)
    local bytes = f(job.unit, job.params)
    if type(bytes) ~= "string" then
      where.raise(part.at, "script", ("the function returned a %s, not a string"):format(
        type(bytes)))
    end
    return bytes
  end
  return ctx
end

-- The header of a boot image that was given with its address.
local function patch_plain(r, ctx, stage, flash)
  if r.base or r.backup then return end
  local list = {}
  for _, one in ipairs(r.parts) do
    if one.data and one.addr == 0 then list[1] = one end
  end
  if #list == 0 then return end
  parts.check(list)
  parts.patch(list, { mode = ctx.choice.mode or "keep", freq = stage.header.freq,
    size = stage.header.size }, flash)
end

local function lay_out(job, dev, stage)
  local ctx = context(job, dev, stage)
  local r = place.stage(stage.list, ctx)
  local flash, data = dev:flash(), {}
  for _, one in ipairs(r.parts) do
    if one.data then data[#data + 1] = one end
  end
  parts.must_fit(data, flash)
  plan.write { parts = r.parts, keep = r.keep, flash_bytes = flash.size,
    allow_partial = r.allow_partial }
  return { result = r, ctx = ctx }
end

-- Every stage is laid out before the first one is written. What was laid out for the
-- first one counts; the others are laid out again on what the chip holds then.
local function check_all(job, dev)
  for i, stage in ipairs(job.stages) do
    local laid = lay_out(job, dev, stage)
    if i == 1 then stage.laid = laid end
  end
end

local function show(job, stage, r, ctx, steps)
  if stage.name then report.stage("%s", stage.name) end
  for _, line in ipairs(r.warnings) do report.warn("%s", line) end
  for _, line in ipairs(r.lines) do report.stage("- %s", line) end
  local rows = recipe_map.rows(r, place.layout(r, ctx))
  step(job, stage, "planned", { regions = rows, summary = steps.summary })
  if not job.opt.dry_run then return rows end
  for _, line in ipairs(recipe_map.lines(rows)) do report.line("%s", line) end
  local described = plan.describe(steps)
  for i = #steps.parts + 1, #described do report.line("%s", described[i]) end
  return rows
end

local function digest_parts(r)
  local list = {}
  for _, one in ipairs(r.parts) do
    if one.data then
      list[#list + 1] = { name = one.name, addr = one.addr, size = #one.data,
        sha256 = esp.sha256(one.data) }
    end
  end
  return list
end

local function add_summary(job, s, r)
  local sum = job.summary
  sum.bytes, sum.written = sum.bytes + s.bytes, sum.written + s.written
  sum.skipped, sum.retries = sum.skipped + s.skipped, sum.retries + (s.retries or 0)
  sum.seconds, sum.proof = sum.seconds + (s.seconds or 0), s.proof or sum.proof
  for _, part in ipairs(digest_parts(r)) do sum.parts[#sum.parts + 1] = part end
end

local function boot_hooks(job, dev, board, stage)
  local wanted = job.d.steps and job.d.steps.booted
    or stage.hooks.steps and stage.hooks.steps.booted
  if wanted then
    dev:afterwards(function()
      board:start()
      step(job, stage, "booted")
      call_hooks(job, stage, "booted", board, stage.name)
    end)
  end
  if stage.hooks.after then dev:afterwards(stage.hooks.after, board) end
end

-- Only a plan that depends on what was in flash needs to be remembered, and only for a
-- board that will be there again.
local function key_for(job, stage, r)
  local depends = r.allow_partial or place.needs_facts(stage.list)
  return depends and not job.opt.throw_away and stage.key or nil
end

local function do_stage(job, dev, board, stage)
  if stage.hooks.before then stage.hooks.before(board) end
  local laid = stage.laid or lay_out(job, dev, stage)
  local r, ctx = laid.result, laid.ctx
  patch_plain(r, ctx, stage, dev:flash())
  local request = { parts = r.parts, keep = r.keep, full = job.opt.full,
    allow_partial = r.allow_partial, unfinished = key_for(job, stage, r) }
  local steps = dev:plan(request)
  local rows = show(job, stage, r, ctx, steps)
  call_hooks(job, stage, "planned", board, stage.name, rows)
  if job.opt.dry_run then return end
  local s = writer.write(dev, request, report.showing(dev))
  if r.base and ctx.choice.probe then
    dev:afterwards(flashing.prove_mode, dev, { parts = r.parts }, ctx.choice)
  end
  add_summary(job, s, r)
  if r.firmware then
    job.firmware = r.nodemcu and nodemcu.describe(r.nodemcu) or r.firmware.parsed.name
  end
  step(job, stage, "written", { bytes = s.bytes, sectors_written = s.written,
    sectors_skipped = s.skipped })
  dev:afterwards(call_hooks, job, stage, "written", board, stage.name)
  boot_hooks(job, dev, board, stage)
end

-- ---- unit, ledger ----

-- What serial numbers and pools come from. The run itself is recorded by the command
-- line (@{moonflash.ledger_run}).
local function open_ledger(job)
  if job.ledger or not job.opt.ledger or job.opt.dry_run then return job.ledger end
  if not recipe_unit.needs_ledger(job.d, job.opt) then return nil end
  local ledger_run <const> = require "moonflash.ledger_run"
  return require("moonflash.ledger").open(job.opt.ledger, ledger_run.station(job.opt), true)
end

local function know_unit(job, dev, board, ledger)
  job.unit, job.values = recipe_unit.identify(job.d, dev.chip, { units = job.units,
    ledger = ledger, params = job.params, variant = job.variant, board = board }, job.opt)
  board.unit = job.unit
  if job.unit.serial then report.stage("serial number %s", job.unit.serial) end
  step(job, nil, "unit", { chip_id = job.unit.chip_id })
end

-- Before anything looks at flash: what an interrupted run had found there is gone.
local function finish_interrupted(job, dev)
  if job.opt.dry_run or job.opt.throw_away then return end
  for _, stage in ipairs(job.stages) do
    if writer.finish(dev, stage.key, report.showing(dev)) then step(job, stage, "finished") end
  end
end

local function carry_out(job, dev, board, ledger)
  local d = job.d
  step(job, nil, "connected", { chip = dev.chip.chip, mac = dev.chip.mac })
  check_chip(job, dev)
  dev:flash()
  finish_interrupted(job, dev)
  if d.before then d.before(board) end
  know_unit(job, dev, board, ledger)
  call_hooks(job, nil, "connected", board)
  check_all(job, dev)
  for i, stage in ipairs(job.stages) do
    if i > 1 and dev.running then dev:afterwards(dev.back_to_loader, dev) end
    do_stage(job, dev, board, stage)
  end
  if job.opt.dry_run then return end
  if ledger then dev:afterwards(ledger.use, ledger, dev.chip.mac) end
  if d.after then dev:afterwards(d.after, board) end
  dev:afterwards(labels.write, job, function(...) step(job, nil, ...) end)
end

local function finish(job, dev)
  dev:leave()
  local sum = job.summary
  if job.opt.dry_run then
    step(job, nil, "done")
    return report.ok("nothing was changed")
  end
  report.result { bytes = sum.bytes, sectors_written = sum.written, sectors_skipped = sum.skipped,
    retries = sum.retries, verified = true, firmware = job.firmware, mac = dev.chip.mac,
    serial = job.unit.serial, variant = job.variant, seconds = esp.clock() - job.started, parts = sum.parts }
  step(job, nil, "done")
  report.written(sum)
end

-- What fails tells the recipe, and goes on failing.
local function failed(job, dev, board, e)
  local wrapped = errors.wrap(e)
  if dev.changed and not wrapped.exit then
    wrapped = errors.after_change(wrapped, nil, wrapped.hint)
  end
  step(job, nil, "failed", { code = wrapped.code, message = tostring(wrapped) })
  if job.d.on_error then
    local ok, why = pcall(job.d.on_error, board, tostring(wrapped))
    if not ok then report.warn("on_error: %s", tostring(why)) end
  end
  error(wrapped, 0)
end

--- Carries out what was prepared.
-- @tparam table job from @{run.prepare}
-- @treturn table summary: bytes, written, skipped, retries, parts
function run.execute(job)
  job.summary = { bytes = 0, written = 0, skipped = 0, retries = 0, seconds = 0, parts = {} }
  job.started = esp.clock()
  local dev <close> = device.open(job.opt)
  local ledger = open_ledger(job)          -- not before: a gang forks where a board is opened
  local closer <close> = setmetatable({}, { __close = function()
    if ledger and ledger ~= job.ledger then ledger:close() end
  end })
  local board = recipe_dev.new(dev, { params = job.params, variant = job.variant })
  local ok, e = pcall(carry_out, job, dev, board, ledger)
  if not ok then failed(job, dev, board, e) end
  finish(job, dev)
  return job.summary
end

return run
