// A fuzz target without libFuzzer: every file of a corpus, then as many mutations of them as asked for.
//   NAME_replay CORPUS ROUNDS      SUB1QUANT_SEED repeats a run; a crash names the round and leaves its input's path
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr char kInteresting[] = "0123456789{}[]\",:-.eE \\u\xC3\xFF_tfn\x80()}q";

std::string* current = nullptr;  // the input that runs, for the handler

void WriteInput(int signal_number) {
  const char name[] = "sub1quant-fuzz-crash";
  if (FILE* file = std::fopen(name, "wb")) {
    std::fwrite(current->data(), 1, current->size(), file);
    std::fclose(file);
  }
  const char text[] = "the input is in ./sub1quant-fuzz-crash\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void RunOne(std::string input) {
  current = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string Mutate(std::string bytes, const std::vector<std::string>& corpus, std::mt19937_64& random) {
  for (uint64_t change = random() % 4 + 1; change > 0; --change) {
    if (bytes.empty()) return bytes;
    const size_t at = random() % bytes.size();
    const std::string& other = corpus[random() % corpus.size()];
    switch (random() % 8) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 2:
        bytes.erase(at, random() % 8 + 1);
        break;
      case 3:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 64));
        break;
      case 4:
        if (!other.empty()) bytes.insert(at, other.substr(random() % other.size(), random() % 64));
        break;
      case 5:
        bytes.resize(at);
        break;
      default:
        bytes[at] = kInteresting[random() % (sizeof kInteresting - 1)];
    }
  }
  return bytes;
}

std::vector<std::string> ReadCorpus(const std::string& directory) {
  std::vector<std::string> paths, corpus;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) corpus.push_back(sub1quant::ReadFile(path).value());
  return corpus;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s CORPUS ROUNDS\n", argv[0]);
    return 2;
  }
  const char* given = std::getenv("SUB1QUANT_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("replay with SUB1QUANT_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, WriteInput);
  const std::vector<std::string> corpus = ReadCorpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no files\n", argv[1]);
    return 1;
  }
  for (const std::string& input : corpus) RunOne(input);
  std::mt19937_64 random(seed);
  for (int64_t rounds = std::atoll(argv[2]); rounds > 0; --rounds)
    RunOne(Mutate(corpus[random() % corpus.size()], corpus, random));
  return 0;
}
