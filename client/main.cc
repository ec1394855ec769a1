// sub1quant: the command line client. Only wiring: environment and streams.
#include <sys/ioctl.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <iostream>

#include "client/context.h"

namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Executable() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "";
}

sub1quant::Environment ReadEnvironment() {
  sub1quant::Environment environment;
  environment.home = Variable("HOME");
  environment.xdg_state_home = Variable("XDG_STATE_HOME");
  environment.xdg_runtime_dir = Variable("XDG_RUNTIME_DIR");
  environment.path = Variable("PATH");
  environment.cuda_visible_devices = Variable("CUDA_VISIBLE_DEVICES");
  environment.executable = Executable();
  const bool plain = Variable("TERM") == "dumb";
  environment.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  environment.error_is_terminal = isatty(STDERR_FILENO) == 1 && !plain;
  environment.colour = environment.out_is_terminal && !plain && Variable("NO_COLOR").empty();
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) environment.columns = size.ws_col;
  return environment;
}

}  // namespace

int main(int argc, char** argv) {
  const std::unique_ptr<sub1quant::Clock> clock = sub1quant::NewSystemClock();
  sub1quant::Context context{ReadEnvironment(), std::cout, std::cerr, *clock};
  return sub1quant::RunClient(argc, argv, context);
}
