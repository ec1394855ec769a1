// The look of our terminal pages: a heading column, aligned tables, ANSI styles that can be off.
#pragma once

#include <string>
#include <vector>

namespace sub1quant::report {

class Style {
 public:
  explicit Style(bool colour) : colour_(colour) {}
  std::string Bold(const std::string& text) const { return Wrap("1", text); }
  std::string Dim(const std::string& text) const { return Wrap("2", text); }
  std::string Accent(const std::string& text) const { return Wrap("36", text); }
  std::string Warning(const std::string& text) const { return Wrap("33", text); }

 private:
  std::string Wrap(const char* code, const std::string& text) const;
  bool colour_;
};

// Columns as wide as their widest cell, two spaces between; `left` columns from the left are left-aligned, the others
// right. Every line without trailing spaces.
std::vector<std::string> AlignTable(const std::vector<std::vector<std::string>>& rows, size_t left = 1);

// "Heading      first line\n             second line\n"; empty for no lines.
std::string Section(const Style& style, const std::string& heading, const std::vector<std::string>& lines);

// `share` (0..1) of `width` cells filled.
std::string Bar(double share, int width);

}  // namespace sub1quant::report
