local M = {}
function M.load() end
function M.reload() end
return M
