// Entries and offsets beyond 4 GiB. The data is the zero page mapped over and over and the file has a hole in its
// place, so neither memory nor disk is used.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "quant/artifact/zip_reader.h"
#include "quant/artifact/zip_writer.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

TEST(Zip64, AnEntryOfMoreThan4GiBAndOneBehindIt) {
  const uint64_t size = (uint64_t{1} << 32) + 100;
  TemporaryDirectory temporary;
  const std::string path = temporary.File("big.zip");
  void* zeros = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  ZipWriter writer([&](const void* data, size_t bytes) {
    const bool hole = data == zeros;
    const bool done = hole ? lseek(file, static_cast<off_t>(bytes), SEEK_CUR) >= 0
                           : write(file, data, bytes) == static_cast<ssize_t>(bytes);
    return done ? absl::OkStatus() : absl::UnavailableError("write");
  });
  ASSERT_TRUE(writer.Add("a/first", "1", 1).ok());
  ASSERT_TRUE(writer.Add("a/big", zeros, size).ok());
  ASSERT_TRUE(writer.Add("a/behind", "words", 5).ok());
  ASSERT_TRUE(writer.Finish().ok());
  close(file);
  munmap(zeros, size);

  const absl::StatusOr<ZipReader> reader = ZipReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->entries().at("a/big").size, size);
  const ZipReader::Entry& behind = reader->entries().at("a/behind");
  EXPECT_GT(behind.offset, size);
  EXPECT_EQ(behind.offset % ZipWriter::kAlignment, 0u);
  char words[5];
  ASSERT_TRUE(reader->Read("a/behind", behind, words).ok());
  EXPECT_EQ(std::string(words, 5), "words");
}

}  // namespace
}  // namespace sub1quant
