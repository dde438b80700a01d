package main

import dashboardFiles "github.com/seed-7a1a2db0/pbt/web"

// web is the dashboard's files; nil in a build without them.
var web = dashboardFiles.Files()
