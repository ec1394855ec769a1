// The integer family in a .pt file: written in entries that torch and older readers know, read back as it was.
#include "quant/artifact/pt_integer.h"

#include <sys/wait.h>

#include <cstdlib>

#include "core/file.h"
#include "gmock/gmock.h"
#include "golden_checkpoint.h"
#include "gtest/gtest.h"
#include "quant/artifact/verify.h"
#include "quant/artifact/zip_reader.h"
#include "quant/artifact/zip_writer.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

constexpr int kNoTorch = 77;

// pt-model has five matrices: two turns show all six widths.
std::string MethodAt(size_t i, size_t first) { return IntegerMethods()[(first + i) % IntegerMethods().size()]; }

std::vector<float> Decoded(const EncodedMatrix& matrix) {
  std::vector<float> values(static_cast<size_t>(matrix.rows * matrix.cols));
  EXPECT_EQ(FindCodec(matrix.method)->Decode(matrix, 0, matrix.rows, values.data()), absl::OkStatus());
  return values;
}

class PtIntegerTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    model_ = OpenModelDirectory(GoldenPath("pt-model")).value();
    packed_ = PackModel(*model_, "pt-model", [](size_t i) { return MethodAt(i, GetParam()); }).value();
    const auto bytes = WritePtToString(packed_.manifest, SourceOf(packed_));
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    ASSERT_TRUE(WriteFileAtomically(Path(), *bytes).ok());
  }
  std::string Path() const { return temporary_.File("written.pt"); }

  TemporaryDirectory temporary_;
  std::shared_ptr<ModelSource> model_;
  PackedModel packed_;
};

TEST_P(PtIntegerTest, ReadsBackAsItWas) {
  const auto file = PtFile::Open(Path());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->manifest().tensors.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const EncodedMatrix& want = packed_.matrices[i];
    SCOPED_TRACE(want.method);
    EXPECT_EQ((*file)->manifest().tensors[i].method, want.method);
    EXPECT_EQ((*file)->manifest().tensors[i].bits, packed_.manifest.tensors[i].bits);
    const auto got = (*file)->Read(i);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->arrays.size(), 2u);
    for (const EncodedArray& array : want.arrays) {
      ASSERT_NE(got->Find(array.name), nullptr) << array.name;
      EXPECT_EQ(got->Find(array.name)->shape, array.shape) << array.name;
      EXPECT_EQ(got->Find(array.name)->bytes, array.bytes) << array.name;
    }
  }
}

TEST_P(PtIntegerTest, VerifiesAndImportsToTheSameBlobs) {
  const auto report = VerifyPath(Path(), 1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, testing::IsEmpty());
  const std::string directory = temporary_.File("artifact");
  ASSERT_EQ(ImportPt(Path(), model_.get(), directory), absl::OkStatus());
  const Artifact artifact = OpenArtifact(directory).value();
  for (size_t i = 0; i < 5; ++i) {
    const ManifestTensor& tensor = artifact.manifest.tensors[i];
    EXPECT_EQ(tensor.method, packed_.matrices[i].method);
    EXPECT_EQ(artifact.blobs->Get(tensor.blob_sha256).value(), EncodedToBlob(packed_.matrices[i])) << tensor.method;
  }
  EXPECT_THAT(VerifyPath(directory, 1)->problems, testing::IsEmpty());
}

// A reader that knows the published formats alone, so that it must do without the method names.
TEST_P(PtIntegerTest, EntriesDecodeAsThePublishedFormatsSay) {
  for (const EncodedMatrix& matrix : packed_.matrices) {
    if (EntryMethod(matrix.method) == matrix.method) continue;
    EncodedMatrix entry = matrix;
    ToEntryMethod(&entry);
    EXPECT_EQ(entry.method, matrix.method == "int4" ? "groupwise_int4" : "int2_base");
    EXPECT_EQ(Decoded(entry), Decoded(matrix));
    FromEntryMethod(matrix.method, &entry);
    EXPECT_EQ(EncodedToBlob(entry), EncodedToBlob(matrix));
  }
}

TEST_P(PtIntegerTest, TorchReadsTheValues) {
  std::string values, methods;
  for (const EncodedMatrix& matrix : packed_.matrices) {
    const std::vector<float> decoded = Decoded(matrix);
    values.append(reinterpret_cast<const char*>(decoded.data()), decoded.size() * sizeof(float));
    methods += " " + matrix.method;
  }
  ASSERT_TRUE(WriteFileAtomically(temporary_.File("values"), values).ok());
  const std::string command = std::string("/usr/bin/python3 '") + SUB1QUANT_CHECK_INTEGER_PT + "' '" + Path() + "' '" +
                              temporary_.File("values") + "'" + methods;
  const int result = WEXITSTATUS(std::system(command.c_str()));
  if (result == kNoTorch) FAIL() << "python3-torch is not installed: run scripts/setup.sh";
  EXPECT_EQ(result, 0);
}

INSTANTIATE_TEST_SUITE_P(AllWidths, PtIntegerTest, testing::Values(0, 3));

class HostileIntegerPt : public PtIntegerTest {
 protected:
  // The written file with data.pkl changed by `change`, opened.
  absl::StatusOr<std::unique_ptr<PtFile>> OpenChanged(const std::function<void(std::string*)>& change) {
    const ZipReader zip = ZipReader::Open(Path()).value();
    std::string out;
    ZipWriter writer([&](const void* data, size_t size) {
      out.append(static_cast<const char*>(data), size);
      return absl::OkStatus();
    });
    for (const auto& [name, entry] : zip.entries()) {
      std::string bytes(entry.size, '\0');
      EXPECT_TRUE(zip.Read(name, entry, bytes.data()).ok());
      if (name == "checkpoint/data.pkl") change(&bytes);
      EXPECT_TRUE(writer.Add(name, bytes.data(), bytes.size()).ok());
    }
    EXPECT_TRUE(writer.Finish().ok());
    EXPECT_TRUE(WriteFileAtomically(temporary_.File("changed.pt"), out).ok());
    return PtFile::Open(temporary_.File("changed.pt"));
  }
};

// A name that does not belong to the entry changes nothing: the format decides.
TEST_P(HostileIntegerPt, NamesThatDoNotFitAreNotBelieved) {
  const auto file = OpenChanged([](std::string* pickle) {
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{"int3", "int4"}, {"int6", "int2"}})
      for (size_t at = pickle->find(from); at != std::string::npos; at = pickle->find(from, at))
        pickle->replace(at, from.size(), to);
  });
  ASSERT_TRUE(file.ok()) << file.status();
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ((*file)->manifest().tensors[i].method, packed_.matrices[i].method);
    EXPECT_EQ(Decoded((*file)->Read(i).value()), Decoded(packed_.matrices[i]));
  }
}

// Without names int4 and int2 are the published formats, and decode to the same values.
TEST_P(HostileIntegerPt, WithoutNamesTheFormatDecides) {
  const auto file =
      OpenChanged([](std::string* pickle) { pickle->replace(pickle->find("weight_keys"), 11, "other__keys"); });
  ASSERT_TRUE(file.ok()) << file.status();
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ((*file)->manifest().tensors[i].method, EntryMethod(packed_.matrices[i].method));
    EXPECT_EQ(Decoded((*file)->Read(i).value()), Decoded(packed_.matrices[i]));
  }
}

TEST_P(HostileIntegerPt, WidthsOutsideTheFamily) {
  for (const char bits : {'\0', '\1', '\2', '\4', '\7', '\x09', '\x10'}) {
    const absl::Status status = OpenChanged([bits](std::string* pickle) {
                                  const size_t format = pickle->find("groupwise_int", pickle->find("int2_base"));
                                  (*pickle)[pickle->find('K', pickle->find("bits", format) + 4) + 1] = bits;
                                }).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << static_cast<int>(bits);
    EXPECT_THAT(std::string(status.message()), HasSubstr("3, 5, 6 or 8"));
  }
}

INSTANTIATE_TEST_SUITE_P(FromInt2, HostileIntegerPt, testing::Values(0));

}  // namespace
}  // namespace sub1quant
