local M = {}
function M.complete() return nil end
return M
