// The commands that take one path and need no server.
#pragma once

#include <memory>
#include <string>

#include "client/context.h"
#include "core/file.h"

namespace sub1quant {

// `sub1quant NAME PATH`.
inline CLI::App* AddPathCommand(CLI::App& app, Context& context, const std::string& name, const std::string& text,
                                const std::string& placeholder, const std::string& path_text,
                                const std::function<absl::Status(Context&, const std::string& path)>& action) {
  CLI::App* command = app.add_subcommand(name, text);
  const auto path = std::make_shared<std::string>();
  command->add_option(placeholder, *path, path_text)->type_name("")->required();
  AddCommonOptions(*command, context);
  command->callback([&context, path, action] {
    context.action = [&context, path, action]() -> absl::Status {
      if (!PathExists(*path)) return absl::NotFoundError(*path + ": no such file or directory");
      return action(context, *path);
    };
  });
  return command;
}

}  // namespace sub1quant
