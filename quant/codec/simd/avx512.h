// Vectors of sixteen float32 for the tile kernels. Included only by files that are compiled for AVX-512 (F, BW, DQ,
// VL); everything here and in the kernels has internal linkage, so that no other file is linked to code for this CPU.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sub1quant {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using Float = __m512;
  using Int = __m512i;
  using Mask = __mmask16;

  static Float Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Float x) { _mm512_storeu_ps(p, x); }
  static Float Set(float x) { return _mm512_set1_ps(x); }
  static Float Add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float Sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float Mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float Div(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float Min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float Max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float Abs(Float x) { return _mm512_abs_ps(x); }
  // Of values without a sign, which order as their bits do: whole numbers compare on all four vector pipes of Zen 5,
  // floats on two, which they share with Add.
  static Float MinMagnitude(Float a, Float b) { return Bits(_mm512_min_epu32(Bits(a), Bits(b))); }
  static Float MaxMagnitude(Float a, Float b) { return Bits(_mm512_max_epu32(Bits(a), Bits(b))); }
  // c - a*b rounded once. The kernels use it where a*b is exact, so that it equals two steps.
  static Float NegMulAdd(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }
  static Float Round(Float x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // Sixteen float16 of x, ties to even; and their values.
  static __m256i Fp16(Float x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Float RoundToFp16(Float x) { return _mm512_cvtph_ps(Fp16(x)); }
  static void StoreFp16(uint16_t* p, Float x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), Fp16(x)); }
  // Of sixteen float16.
  static Float LoadFp16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  static Mask Equal(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static Mask Less(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask LessEqual(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  static Mask And(Mask a, Mask b) { return a & b; }
  static Mask Or(Mask a, Mask b) { return a | b; }
  static Mask Not(Mask a) { return static_cast<Mask>(~a); }
  static bool Any(Mask a) { return a != 0; }
  static Float Select(Mask m, Float yes, Float no) { return _mm512_mask_blend_ps(m, no, yes); }
  static Float Keep(Mask m, Float x) { return _mm512_maskz_mov_ps(m, x); }  // +0 elsewhere

  static Int LoadInt(const void* p) { return _mm512_loadu_si512(p); }
  static void StoreInt(void* p, Int x) { _mm512_storeu_si512(p, x); }
  static Int SetInt(int x) { return _mm512_set1_epi32(x); }
  static Int ToInt(Float x) { return _mm512_cvtps_epi32(x); }  // of whole numbers
  static Int Or(Int a, Int b) { return _mm512_or_si512(a, b); }
  static Int And(Int a, Int b) { return _mm512_and_si512(a, b); }
  static Int AddInt(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int MaxInt(Int a, Int b) { return _mm512_max_epi32(a, b); }
  static Int KeepInt(Mask m, Int x) { return _mm512_maskz_mov_epi32(m, x); }
  template <int kBits>
  static Int ShiftLeft(Int x) {
    return _mm512_slli_epi32(x, kBits);
  }
  template <int kBits>
  static Int ShiftRight(Int x) {
    return _mm512_srli_epi32(x, kBits);
  }
  static Float Bits(Int x) { return _mm512_castsi512_ps(x); }
  static Int Bits(Float x) { return _mm512_castps_si512(x); }
  // float16 in the low halves.
  static Float WidenFp16(Int x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x)); }

  // Rows become columns.
  static void Transpose(Int* v) {
    Int t[16];
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
      t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
      v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
      v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
      v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
      t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
      t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
      t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
      v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
      v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
      v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
  }
};

}  // namespace
}  // namespace sub1quant
