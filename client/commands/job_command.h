// The commands that take one job of a server.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "client/context.h"
#include "client/session.h"

namespace sub1quant {

using JobAction = std::function<absl::Status(Context&, Session&, const std::string& job)>;

// `sub1quant NAME JOB --server …`.
inline CLI::App* AddJobCommand(CLI::App& app, Context& context, const std::string& name, const std::string& text,
                               const JobAction& action) {
  CLI::App* command = app.add_subcommand(name, text);
  const auto job = std::make_shared<std::string>();
  command->add_option("JOB", *job, "job id")->type_name("")->required();
  AddServerOption(*command, context);
  AddCommonOptions(*command, context);
  command->callback([&context, job, action] {
    context.action = [&context, job, action]() -> absl::Status {
      const absl::StatusOr<std::unique_ptr<Session>> session = Session::Open(context.server);
      return session.ok() ? action(context, **session, *job) : session.status();
    };
  });
  return command;
}

}  // namespace sub1quant
