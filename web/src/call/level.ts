/** Reports how loud a microphone is, 0 to 1, about fifteen times a second. */
export function watchLevel(track: MediaStreamTrack, report: (level: number) => void): () => void {
  const audio = new AudioContext();
  const analyser = audio.createAnalyser();
  analyser.fftSize = 512;
  audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // -60 dBFS is silence in an ordinary room, -10 dBFS is loud speech.
    const decibel = 10 * Math.log10(power + 1e-9);
    report(Math.min(1, Math.max(0, (decibel + 60) / 50)));
  }, 66);
  return () => {
    clearInterval(timer);
    void audio.close();
  };
}
