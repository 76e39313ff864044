"""Texts of many languages and subjects: what their vectors have in common is the centre of all vectors."""

PROBES = (
    "The committee met on 14 March 1987 and approved the budget of 3.2 million dollars by a narrow majority. "
    "The remaining members asked for a second vote in autumn.",
    "# Installation\n\nRun `make install`, then set `DATABASE_URL` and start the service with `make run`.",
    "Der Zug nach Hamburg fährt heute wegen Bauarbeiten erst um zehn Uhr ab. Reisende werden gebeten, den "
    "Ersatzverkehr mit Bussen zu benutzen.",
    "El aceite de oliva se obtiene al prensar las aceitunas maduras. Conviene guardarlo en un lugar fresco y "
    "oscuro para que conserve su sabor.",
    "Le musée abrite une collection de tableaux du XIXe siècle, léguée à la ville par un négociant en vins. "
    "L'entrée est gratuite le premier dimanche du mois.",
    "Il medico consiglia di bere molta acqua e di riposare. Se la febbre dura più di tre giorni, bisogna "
    "tornare in ambulatorio.",
    "A empresa vendeu a fábrica em 2009 e transferiu a produção para o norte do país, onde emprega hoje "
    "quatrocentas pessoas.",
    "De dijk werd na de overstroming met twee meter verhoogd. Sindsdien is het dorp achter de rivier droog "
    "gebleven.",
    "Pszczoły zapylają większość drzew owocowych. Bez nich zbiory jabłek i wiśni byłyby znacznie mniejsze.",
    "Sözleşme taraflardan biri tarafından en az otuz gün önce yazılı olarak "
    "bildirilmek koşuluyla feshedilebilir.",
    "Клуб выиграл чемпионат страны впервые за двадцать лет. Решающий гол был забит "
    "на последней минуте матча.",
    "Το νησί έχει ήπιο κλίμα και λίγες βροχές. Οι περισσότεροι κάτοικοι ζουν "
    "από την αλιεία και τον τουρισμό.",
    "أُسست الجامعة في القرن الثاني عشر، وكانت تدرّس الطب والفلك والفقه. وما زالت مكتبتها تضم آلاف المخطوطات.",
    "किसान मानसून से पहले धान की बुवाई करते हैं। अच्छी वर्षा होने पर फसल अक्टूबर में तैयार हो जाती है।",
    "桥梁于一九六八年建成通车，全长一千五百米，上层为公路，下层为铁路。",
    "この作家は晩年、海辺の小さな町で暮らし、毎朝散歩をしてから原稿を書いた。",
    "태양 전지는 빛을 전기로 바꾼다. 최근 십 년 동안 그 가격은 크게 떨어졌다.",
    "ผู้โดยสารต้องแสดงหนังสือเดินทางและบัตรโดยสารก่อนขึ้นเครื่อง กระเป๋าถือหนักได้ไม่เกินเจ็ดกิโลกรัม",
    "Hồ nước này cung cấp nước uống cho toàn thành phố. Vào mùa khô, mực nước có thể giảm tới năm mét.",
)
