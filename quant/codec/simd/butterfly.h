// The sum of docs/formats.md §7 over the positions of a tile, of kLanes groups at once.
#pragma once

namespace sub1quant {
namespace {

// Positions in the order in which the sum wants them: kSize/8 blocks of eight. With P = kSize/2 pairs (2j, 2j+1), pairs
// j and j + P/2 fold first, then j + P/4, and so on; block b holds the four pairs that meet in the first two of these
// folds, and what is left of the blocks folds the same way.
template <int kSize>
struct Butterfly {
  static constexpr int kBlocks = kSize / 8;

  static constexpr int Position(int block, int i) {
    constexpr int kPairs[] = {0, 2 * kBlocks, kBlocks, 3 * kBlocks};
    return 2 * (block + kPairs[i / 2]) + i % 2;
  }

  template <class V>
  static typename V::Float FoldEight(const typename V::Float* v) {
    return V::Add(V::Add(V::Add(v[0], v[1]), V::Add(v[2], v[3])), V::Add(V::Add(v[4], v[5]), V::Add(v[6], v[7])));
  }

  template <class V>
  static typename V::Float FoldBlocks(typename V::Float* blocks) {
    for (int half = kBlocks / 2; half >= 1; half /= 2)
      for (int i = 0; i < half; ++i) blocks[i] = V::Add(blocks[i], blocks[i + half]);
    return blocks[0];
  }

  // B(v), where value(i) is the vector of position i.
  template <class V, class Value>
  static typename V::Float Sum(const Value& value) {
    typename V::Float blocks[kBlocks];
    for (int b = 0; b < kBlocks; ++b) {
      typename V::Float v[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) v[i] = value(Position(b, i));
      blocks[b] = FoldEight<V>(v);
    }
    return FoldBlocks<V>(blocks);
  }
};

}  // namespace
}  // namespace sub1quant
