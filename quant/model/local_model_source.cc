// A model directory of this machine.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "core/status.h"
#include "quant/model/model_source.h"

namespace sub1quant {
namespace {

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(other.Release()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int Release() {
    const int value = value_;
    value_ = -1;
    return value;
  }

 private:
  int value_;
};

// Opens `path` relative to `directory`; no part of the way, symbolic links included, may leave `directory`.
int OpenBeneath(int directory, const std::string& path, int flags) {
  struct open_how how {};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // The kernel answers EAGAIN when something was renamed while it walked; only so often, or a busy writer would hold
  // us.
  for (int attempt = 0; attempt < 32; ++attempt) {
    const long result = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (result >= 0 || errno != EAGAIN) return static_cast<int>(result);
  }
  return -1;
}

absl::Status OpenError(int error_number, const std::string& path) {
  if (error_number == EXDEV) return absl::PermissionDeniedError(path + ": leads out of the model root");
  if (error_number == ENOSYS)
    return absl::UnimplementedError(path + ": openat2 is missing, Linux 5.6 or newer is needed");
  return ErrnoStatus(error_number, path);
}

// `path` is relative, has no NUL and stays beneath its start when read as text.
absl::Status CheckRelativePath(const std::string& path) {
  if (path.find('\0') != std::string::npos) return absl::InvalidArgumentError("model path: holds a NUL character");
  if (!path.empty() && path[0] == '/')
    return absl::InvalidArgumentError("model path '" + path + "': absolute, a path beneath the model root is expected");
  int depth = 0;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (part == "..") --depth;
    if (!part.empty() && part != "." && part != "..") ++depth;
    if (depth < 0) return absl::InvalidArgumentError("model path '" + path + "': leads out of the model root");
    begin = end + 1;
  }
  return absl::OkStatus();
}

bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

class LocalModelSource : public ModelSource {
 public:
  // `base` is the model root, `directory` the model's directory in it and `prefix` the way from one to the other with a
  // slash: files that must stay beneath the root are opened from the root, so that their links may lead anywhere inside
  // it.
  LocalModelSource(Descriptor base, Descriptor directory, std::string prefix, std::string shown, bool follow_links)
      : base_(std::move(base)),
        directory_(std::move(directory)),
        prefix_(std::move(prefix)),
        shown_(std::move(shown)),
        follow_links_(follow_links) {}

  absl::StatusOr<std::vector<File>> List() override {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> names, CandidateNames());
    std::vector<File> files;
    for (const std::string& name : names) {
      auto file = OpenFile(name);
      // A link to a directory or a device is not a file of the model.
      if (absl::IsInvalidArgument(file.status())) continue;
      if (!file.ok()) return file.status();
      files.push_back({name, (*file)->size(), (*file)->identity().ToString()});
      Refresh(name, **file);
    }
    return files;
  }

  absl::Status Read(const std::string& name, uint64_t offset, void* buffer, size_t size) override {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ReadableFile> file, Opened(name));
    return file->ReadAt(offset, buffer, size);
  }

  void WillRead(const std::string& name, uint64_t offset, uint64_t size) override {
    if (const auto file = Opened(name); file.ok()) (*file)->WillRead(offset, size);
  }

  std::string LocalPath(const std::string& name) override {
    if (follow_links_) return IsPlainName(name) ? shown_ + "/" + name : "";
    // A path below the root could be turned into a link between the check and the use; the open descriptor cannot.
    auto file = Opened(name);
    if (!file.ok()) return "";
    std::lock_guard lock(mutex_);
    handed_out_.insert(*file);
    return "/proc/self/fd/" + std::to_string((*file)->descriptor());
  }

 private:
  // Names of regular files and links, sorted.
  absl::StatusOr<std::vector<std::string>> CandidateNames() {
    const int descriptor = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return ErrnoStatus(errno, shown_);
    DIR* listing = fdopendir(descriptor);
    if (listing == nullptr) {
      close(descriptor);
      return ErrnoStatus(errno, shown_);
    }
    std::vector<std::string> names;
    while (const dirent* entry = readdir(listing)) {
      struct stat info {};
      if (fstatat(descriptor, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // removed meanwhile
      if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) names.emplace_back(entry->d_name);
    }
    closedir(listing);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenFile(const std::string& name) {
    const std::string shown = shown_ + "/" + name;
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO must not hold us
    const int descriptor = follow_links_ ? openat(directory_.get(), name.c_str(), kFlags)
                                         : OpenBeneath(base_.get(), prefix_ + name, kFlags);
    if (descriptor < 0) return OpenError(errno, shown);
    return ReadableFile::FromDescriptor(descriptor, shown);
  }

  // The file as it was first opened, or as List saw it last.
  absl::StatusOr<std::shared_ptr<ReadableFile>> Opened(const std::string& name) {
    if (!IsPlainName(name)) return absl::InvalidArgumentError("model file '" + name + "': not a plain file name");
    std::lock_guard lock(mutex_);
    std::shared_ptr<ReadableFile>& file = opened_[name];
    if (file != nullptr) return file;
    auto opened = OpenFile(name);
    if (!opened.ok()) {
      opened_.erase(name);
      return opened.status();
    }
    file = *std::move(opened);
    return file;
  }

  // Forgets the open file if `current` is another version of it.
  void Refresh(const std::string& name, const ReadableFile& current) {
    std::lock_guard lock(mutex_);
    const auto found = opened_.find(name);
    if (found != opened_.end() && found->second->identity() != current.identity()) opened_.erase(found);
  }

  const Descriptor base_, directory_;
  const std::string prefix_, shown_;
  const bool follow_links_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ReadableFile>> opened_;
  std::set<std::shared_ptr<ReadableFile>> handed_out_;  // their descriptors are in paths that callers hold
};

}  // namespace

absl::StatusOr<std::unique_ptr<ModelSource>> OpenModelDirectory(const std::string& root, const std::string& path,
                                                                bool follow_links) {
  SUB1QUANT_RETURN_IF_ERROR(CheckRelativePath(path));
  const std::string relative = path.empty() ? "." : path;
  const std::string shown = relative == "." ? root : root + "/" + relative;
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;

  Descriptor base(open(root.c_str(), kFlags));
  if (base.get() < 0) return ErrnoStatus(errno, root);
  Descriptor directory(follow_links ? openat(base.get(), relative.c_str(), kFlags)
                                    : OpenBeneath(base.get(), relative, kFlags));
  if (directory.get() < 0) return OpenError(errno, shown);
  return std::make_unique<LocalModelSource>(std::move(base), std::move(directory), relative + "/", shown, follow_links);
}

absl::StatusOr<std::unique_ptr<ModelSource>> OpenModelDirectory(const std::string& directory) {
  return OpenModelDirectory(directory, "", true);
}

absl::StatusOr<std::string> ReadModelFile(ModelSource& source, const std::string& name, uint64_t max_bytes) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, source.List());
  for (const ModelSource::File& file : files) {
    if (file.name != name) continue;
    if (file.size > max_bytes)
      return absl::ResourceExhaustedError(name + ": " + std::to_string(file.size) + " bytes, at most " +
                                          std::to_string(max_bytes) + " are accepted");
    std::string bytes(file.size, '\0');
    SUB1QUANT_RETURN_IF_ERROR(source.Read(name, 0, bytes.data(), bytes.size()));
    return bytes;
  }
  return absl::NotFoundError(name + ": not in the model directory");
}

}  // namespace sub1quant
