// One function per file beside this one: adds a command to the command line; when parsed, the command sets
// context.action.
#pragma once

#include "client/context.h"

namespace sub1quant {

// On one machine, with a private server.
void AddRun(CLI::App& app, Context& context);
void AddEvaluate(CLI::App& app, Context& context);

// On a server.
void AddSubmit(CLI::App& app, Context& context);
void AddJobs(CLI::App& app, Context& context);
void AddStatus(CLI::App& app, Context& context);
void AddWatch(CLI::App& app, Context& context);
void AddLogs(CLI::App& app, Context& context);
void AddCancel(CLI::App& app, Context& context);
void AddDelete(CLI::App& app, Context& context);
void AddReport(CLI::App& app, Context& context);
void AddDownload(CLI::App& app, Context& context);
void AddWorkers(CLI::App& app, Context& context);

// On files, without a server.
void AddInspect(CLI::App& app, Context& context);
void AddVerify(CLI::App& app, Context& context);
void AddCompare(CLI::App& app, Context& context);
void AddImport(CLI::App& app, Context& context);
void AddExport(CLI::App& app, Context& context);

inline void AddAllCommands(CLI::App& app, Context& context) {
  for (auto* add : {AddRun, AddEvaluate, AddSubmit, AddJobs, AddStatus, AddWatch, AddLogs, AddCancel, AddDelete,
                    AddReport, AddDownload, AddWorkers, AddInspect, AddVerify, AddCompare, AddImport, AddExport})
    add(app, context);
}

}  // namespace sub1quant
