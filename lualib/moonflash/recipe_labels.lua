--- The files that a recipe writes beside the chip: `mf.label`.
-- @module moonflash.recipe_labels
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"
local template <const> = require "moonflash.template"
local text <const> = require "moonflash.text"
local where <const> = require "moonflash.recipe_where"

local recipe_labels = {}

local function labels_of(job)
  local list = {}
  for _, stage in ipairs(job.stages) do
    for _, part in ipairs(stage.list) do
      if part.kind == "label" then list[#list + 1] = part end
    end
  end
  return list
end

local function count(s, char) return select(2, s:gsub(char, "")) end

--- Writes the labels of a unit whose values are known.
-- @tparam table job from @{moonflash.recipe_run.prepare}
-- @tparam function step tells the recipe: called with "label" and `{ file }`
-- @raise `file` when a value makes no name of a file
function recipe_labels.write(job, step)
  for _, part in ipairs(labels_of(job)) do
    where.within(part.at, function()
      local path = template.fill(part.path, part.path, job.values)
      if count(path, "/") ~= count(part.path, "/") or path:find("%c") then
        errors.raise("file", ("mf.label: no file can be called %s"):format(text.escape(path)))
      end
      local content = template.fill(part.text, part.path, job.values)
      job.folder[part.append and "append" or "write"](job.folder, path, content)
      report.stage("label %s", path)
      step("label", { file = path })
    end)
  end
end

return recipe_labels
